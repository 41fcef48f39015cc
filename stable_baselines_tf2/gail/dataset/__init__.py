"""What an expert did: recording it, and handing it out in minibatches."""
