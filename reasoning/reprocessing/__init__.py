"""Reading old events again with another prompt version, beside what is served."""
