"""The fast engine: convolution, activation and max pooling as one block, explained at its winners alone.

Max pooling hands all relevance of a window to one place, its winner. With windows of 3 x 3 x 3 that stand two
places apart, at most one output in eight of the convolution has any, and a rule needs denominators there and
nowhere else. So a block keeps the pooled values and *which* place won, never the convolution's whole output.

One row of eight voxels, a kernel of three (1 2 1), windows of three places, two apart, all worked by hand::

    voxel          0   1   2   3   4   5   6   7
    x              0   0   0   0   3   1   0   0
    convolution    0   0   0   3   7   5   1   0       place 4: 1*0 + 2*3 + 1*1 = 7

    window 0      [0   0   0]                          sees voxels -1 to 3, all zero: outside the span
    window 1              [0   3   7]                  winner: place 4, its third:  code 2
    window 2                      [7   5   1]          winner: place 4, its first:  code 0
    window 3                              [1   0 . ]   winner: place 6, its first:  code 0

    pooled         0       7       7       1           span of the row: windows 1 to 3
    received       1       3       4       3           relevance from the layers above, in years
    joined         1       0       7       3           codes 2 and 0 differ by the step 2: one winner

    winners        place 4 has 7 years, place 6 has 3
    denominators   7 and 1; years for each part of them: 7/7 = 1 and 3/1 = 3
    place 4 gives  .   .   .   0   6   1   .   .       1*0*1, 2*3*1, 1*1*1
    place 6 gives  .   .   .   .   .   3   0   0       1*1*3, 2*0*3, 1*0*3
    relevance      0   0   0   0   6   4   0   0       10 years; the 1 of window 0 is absorbed

The words that the modules use:

code
    A winner's place in its window, five bits an axis: ``deep << 10 | high << 5 | wide``, two bytes (`codes`).
    Where the codes of neighbouring windows differ by just the step between them, both mean the same place;
    then the later window takes the relevance of both, and the place is worked on once.
span
    Of a row of windows, those that see anything but zeros (`spans`). The others have no convolution to work
    out: their value is that of the bias, their winner the first place.
tile
    A box of windows, and with it the voxels they see, small enough for the processor's cache (`windows`).
    Threads share the tiles. Were windows 0 and 1 one tile and 2 and 3 another, voxels 3 to 5 would be seen by
    both: on the way back every second layer of tiles waits for its neighbours, so that two threads never add
    to one voxel. Borders depend on the volume alone and sums are added in one order, so that the number of
    threads changes no result.
lane
    One of the numbers that an instruction of the processor works on at a time (`lanes`). The row of the patch
    of place 4 is a vector of four lanes, the last of them with nothing to add: 0 3 1 0 times 1 2 1 0. Kernels
    of three voxels and 16 channels are three vectors of 16.

Modules, in the order in which they know one another: `codes`, `lanes` (`vector_lanes` or `plain_lanes`),
`spans`, `loops` and `pooling_loops` (compiled), `windows` (where everything lies), `blocks` (which layers
form one), `threads`, `forward`, `patches` (the convolution at winners), `backward`, then `gradients` and
`explanation`, which callers use. The rules are those of the plain engine (`peers.plain`), which works on all
layers that form no block, and which the tests hold this one against.
"""
