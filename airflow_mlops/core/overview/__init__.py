"""How models stand now: what the Models page, the terminal and REST clients look at first."""
