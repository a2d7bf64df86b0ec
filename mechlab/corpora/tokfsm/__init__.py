"""TokFSM: random walks on a small graph, each state written as digits, with an exactly known best predictor."""
