"""The update on this machine: the run's folder, the engine `kfp.local`, the live view, the summary."""
