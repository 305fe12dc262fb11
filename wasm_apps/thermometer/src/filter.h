/* A median of the last samples throws single outliers away; an exponential average calms the rest. */
#ifndef FILTER_H
#define FILTER_H

#define WINDOW 3

struct filter {
    double window[WINDOW];
    int count, next;
    double average;
};

static double median(const struct filter *filter) {
    double sorted[WINDOW];
    for (int i = 0; i < filter->count; i++) {
        int at = i;
        for (; at > 0 && sorted[at - 1] > filter->window[i]; at--) {
            sorted[at] = sorted[at - 1];
        }
        sorted[at] = filter->window[i];
    }
    return sorted[filter->count / 2];
}

/* Takes a sample; `weight` is the share of the new median in the average, 1 for no smoothing. */
static double filter_add(struct filter *filter, double sample, double weight) {
    int first = filter->count == 0;
    filter->window[filter->next] = sample;
    filter->next = (filter->next + 1) % WINDOW;
    filter->count += filter->count < WINDOW;
    double middle = median(filter);
    filter->average = first ? middle : filter->average + weight * (middle - filter->average);
    return filter->average;
}

#endif
