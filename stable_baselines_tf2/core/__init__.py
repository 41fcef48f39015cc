"""The engine room: losses, returns, collection, acting, optimizers and files, shared by all algorithms."""
