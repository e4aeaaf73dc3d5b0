"""Pictures and pages: SVG and HTML that need nothing from outside."""
