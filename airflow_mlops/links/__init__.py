"""Buttons on a task's page. The task says where they lead: by an XCom that it pushed, or by its spec."""
