"""Attribution graphs: what every active feature of a model's transcoders gets from what is before it."""
