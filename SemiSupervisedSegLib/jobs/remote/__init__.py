"""Jobs on another machine over ssh: what travels, under which names, and what comes back."""
