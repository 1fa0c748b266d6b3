"""Attribution methods: gradients, occlusion, Grad-CAM and attention."""
