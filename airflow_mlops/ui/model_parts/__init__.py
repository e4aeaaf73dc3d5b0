"""What the page of one model shows, section by section: records of the store in, views for the templates out."""
