"""Coverage: the proof that cells tile an area, the explanation where not, and the repair."""
