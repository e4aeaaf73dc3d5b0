"""What every stage on AWS shares: settings, names, clients, errors, and the code that runs inside containers."""
