"""Words everyone uses: configs, registries, errors, seeds, shapes, estimates. Imports nothing from mechlab."""
