"""Any framework's tensor to NumPy, layouts of axes, and memory that is used again."""
