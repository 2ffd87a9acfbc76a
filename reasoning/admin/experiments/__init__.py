"""Experiments in the admin: set up with a preview, watched side by side, reviewed blind, steered and ended."""

from reasoning.admin.experiments import pages

__all__ = ["pages"]
