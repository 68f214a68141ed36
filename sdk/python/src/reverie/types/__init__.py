"""What calls take and give. All of it is in `reverie` too."""
