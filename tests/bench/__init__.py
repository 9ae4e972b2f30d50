"""`make bench`: how fast Drumbeat is, each figure beside something it can be compared with."""
