"""What every path of the API costs on the server as it runs in production, beside floors of the same run."""
