# The seeds as they are, at their best threshold.
pipeline = dict(mask=dict(type='ThresholdMask', bg='oracle'))
