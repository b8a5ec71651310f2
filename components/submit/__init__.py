"""The update on a cluster: a pipeline is submitted to Kubeflow Pipelines, watched, its results fetched.

Tested with servers of the versions that `server.TESTED` names. Where the server is and how to log in to it
are said by the environment and by kfp's own configuration, where the artifacts are by that of `adsmu.store`;
none of it is a parameter of a pipeline.
"""
