"""What the rooms promise each other. numpy, Pillow and OpenCV only."""
