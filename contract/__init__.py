"""What the rooms promise each other. numpy and Pillow only."""
