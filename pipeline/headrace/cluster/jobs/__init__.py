"""Jobs on a cluster: what is sent, how it is followed, and what comes back."""
