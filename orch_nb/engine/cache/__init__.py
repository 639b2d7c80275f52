"""The cache: is what a cell would do on record already? Pure decisions, in two levels.

The *key* is made of what can be told before the cell runs: its code and the versions of what it
reads. Under one key there may be several entries, each with what was *seen* when it was made:
files, modules, package versions. An entry serves while all of that still holds.
"""
