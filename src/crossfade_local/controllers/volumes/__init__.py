"""PersistentVolumeClaims and PersistentVolumes: matching, making, protecting and reclaiming."""
