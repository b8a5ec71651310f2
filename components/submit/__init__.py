"""The update on a cluster: a pipeline is submitted to Kubeflow Pipelines, watched, its results fetched.

`server.LOWEST` and `server.TESTED` say of which version a server may be. Where it is and how to log in to it
are said by the environment and by kfp's own configuration, where the artifacts are by that of `adsmu.store`;
none of it is a parameter of a pipeline.
"""
