"""Training data: every source gives the same samples, by number.

stream = training_data(Task.POSE, "marionette", size=256, seed=0)    # from dynast_deploy.tasks.training_data
stream[41]                                     # the 42nd sample, the same one every time
for batch in stream_batches(stream, batch=8, workers=2, first=1000): ...
"""

from dynast_deploy.data.loader import stream_batches
from dynast_deploy.data.sample import Sample, SampleStream

__all__ = ["Sample", "SampleStream", "stream_batches"]
