"""Metadata of pictures: what their headers say of size, time, camera, place and rating, without decoding a pixel. Pure.

Whatever the bytes are, the answer is values or none: no error, little memory, and few steps.
"""
