"""The trainer in the browser: one local server, one worker process with the session and its kernels, one page."""
