"""Pictures that are shown: thumbnails, and pages in which they stand."""
