"""The drawn world: scenes of everyday things with masks and unambiguous expressions. `dataset.Scenes` is the benchmark."""
