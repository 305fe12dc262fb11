/* The image that a programmer brings, where nothing that is copied reaches. */
    .section .first, "a"
    .global first_image, first_image_end
first_image:
#ifdef FIRST
    .incbin FIRST
#endif
first_image_end:
    .balign 4
