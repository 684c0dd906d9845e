"""Small real trainings that show the tab at work: scikit-learn's digits, and the five stories of `examples/stories`.

Nothing here is imported by logging or reading; it needs TensorFlow and scikit-learn (`pip install tb-featuremap-plugin[demo]`).
"""
