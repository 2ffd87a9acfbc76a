"""Experiments: prompt versions that share subjects, what each of them makes of what it reads, and what ends one."""
