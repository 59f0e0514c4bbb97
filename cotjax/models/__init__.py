"""Student models, and their weights in and out of the Hugging Face format."""
