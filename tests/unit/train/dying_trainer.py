"""A trainer whose second process is killed while it scores the third epoch."""

import os
import signal

from adsmu.train import training
from adsmu.train.two_stage import TwoStageTrainer


class DyingTrainer(TwoStageTrainer):
    def train(self, *words, **named):
        if training.this_process()[0] == 1:
            score, scored = training.score, []

            def score_or_die(*given):
                scored.append(given)
                if len(scored) == 3:
                    os.kill(os.getpid(), signal.SIGKILL)
                return score(*given)

            training.score = score_or_die
        return super().train(*words, **named)
