"""What lies outside the store: folders of pictures, and how they are decoded."""
