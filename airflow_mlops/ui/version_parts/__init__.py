"""What the page of one version shows, put together from its dossier: no request and no template in here."""
