"""Records of episodes."""

from stable_baselines_tf2.bench.monitor import LoadMonitorResultsError, Monitor, get_monitor_files, load_results

__all__ = ["LoadMonitorResultsError", "Monitor", "get_monitor_files", "load_results"]
