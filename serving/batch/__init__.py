"""Any number of photos to masks: found one after the other, accounted for each, resumed where it stopped."""
