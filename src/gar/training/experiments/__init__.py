"""Controlled experiments: the same training several times, with one thing changed and with several seeds.

    plan.py        what an experiment is: a recipe, its arms as changed settings, seeds; and the runs that follow
    running.py     does what is missing, one run after the other; may be stopped anywhere
    asking.py      asks one trained model, item by item
    costs.py       what looking at a region costs in each arm
    results.py     from answered items to shares, intervals and differences
    report.py      results.json, a page with tables, plots

`gar experiment NAME` does it; the experiments of the package are the YAML files beside this one.
"""
