"""The story of the demo, played once for all tests of this folder, and what people see of it in a web browser."""
