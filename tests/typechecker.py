"""What executes the annotations in tests: beartype, an int accepted where a float is asked, as in Python itself."""

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))
