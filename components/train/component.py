"""The Kubeflow interface of train."""

from kfp import dsl
from kfp.dsl import Dataset, Input, Metrics, Model, Output

from adsmu.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def train(
    existing: Input[Dataset],
    model: Output[Model],
    metrics: Output[Metrics],
    data: Input[Dataset] = None,
    base: Input[Model] = None,
    mode: str = "warm",
    early_mode: str = "",
    round: int = 0,
    max_rounds: int = 0,
    trainer: str = "adsmu.train.two_stage:TwoStageTrainer",
    settings: dict = {},  # noqa: B006 - kfp reads the default, nothing writes it
    checkpoints: str = "",
    seed: int = 0,
    pool: dict = {},  # noqa: B006 - as above
    cpu: str = "",
    memory: str = "",
):
    """Trains a model on the existing data and the new use case's rows.

    Args:
        existing: Utterance table of the existing data.
        model: Model folder: weights.safetensors, model.json, README.md.
        metrics: Loss, development scores, seconds, utterances per second.
        data: The new use case's rows, real and synthetic.
        base: The model to start from (not in mode full) and the parent named in the model card.
        mode: full: from new weights; warm: from base, all weights; finetune: from base, encoder frozen;
            scout: as warm, but briefly and on few existing rows, to find what fails.
        early_mode: The mode of rounds before the last one; empty: mode.
        round: The round.
        max_rounds: The last round allowed.
        trainer: Import path of the trainer.
        settings: Settings of the trainer that differ from its defaults.
        checkpoints: Folder or URI of object storage that outlives the step; a killed training resumes from
            it. Empty: none. Several nodes need object storage.
        seed: Makes the training reproducible.
        pool: Which nodes train, where they are several: nodes, gpus of each, accelerator, selector,
            tolerations. Empty: the step itself trains.
        cpu: CPU of each of several nodes; empty: what the training runtime says.
        memory: Memory of each of several nodes; empty: what the training runtime says.
    """
    from adsmu.files import write_json
    from adsmu.train.run import train_files
    from adsmu.train_job.run import on_nodes

    figures = train_files(
        existing.path,
        data.path if data else None,
        base.path if base else None,
        model.path,
        mode=early_mode if early_mode and round < max_rounds else mode,
        trainer=trainer,
        settings=settings,
        checkpoints=checkpoints,
        seed=seed,
        elsewhere=on_nodes(pool, cpu, memory),
    )
    for name, value in figures.items():
        metrics.log_metric(name, value)
    write_json(figures, metrics.path)  # a cache takes an artifact without a file for a lost one
