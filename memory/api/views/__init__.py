"""The views, one resource a module. They read the request, call the store and shape what it answers."""
