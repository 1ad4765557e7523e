"""The briefing: figures, sentences, charts, parts and the page they make."""
