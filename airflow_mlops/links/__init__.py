"""Buttons on a task's page; each shows an address that the task pushed as XCom."""
