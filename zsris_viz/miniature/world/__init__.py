"""The drawn world: scenes of everyday things, masks and unambiguous expressions. `dataset.Scenes` is the benchmark."""
