"""Training on several nodes: the step train, in place of training itself, submits a TrainJob.

TrainJobs are Kubeflow Trainer's, from version 2.2 on (`runtimePatches`). What the nodes run is
`adsmu.train.node`; the runtime that they start from is `manifests/trainer/runtime`.
"""
