// The kinds of stream, and what they share; make_stream() of cl/stream/stream.h has checked the
// data and the number of tasks.
#pragma once

#include "cl/stream/stream.h"
#include "kernels/function_ref.h"

namespace espalier {

// A share of the classes to each task, in the order of their labels: 0 and 1, 2 and 3, ...
// (split MNIST: Zenke et al., 2017, 1703.04200).
Stream split_stream(const StreamOptions& options, const ImageDataset& train,
                    const ImageDataset& test);

// A split in which each task gives a share `blur` of its training images, drawn at random, to the
// others, to all of them alike, so that tasks of one size get as many in return (Bang et al., 2021,
// 2103.17230, section 4.1). Every image is in one task. Each is tested on its own classes alone.
Stream blurry_stream(const StreamOptions& options, const ImageDataset& train,
                     const ImageDataset& test);

// Every task has all images and all classes. The first has the images as they are, each other one
// its own permutation of their pixels, channels kept together (Goodfellow et al., 2013, 1312.6211;
// Kirkpatrick et al., 2016, 1612.00796).
Stream permuted_stream(const StreamOptions& options, const ImageDataset& train,
                       const ImageDataset& test);

// Every task has all images and all classes, turned about the middle of the image against the
// clock, task i by i * turn / tasks degrees (Lopez-Paz and Ranzato, 2017, 1706.08840). Pixels are
// read between four others, with zeros outside, and rounded.
Stream rotated_stream(const StreamOptions& options, const ImageDataset& train,
                      const ImageDataset& test);

// The places of the images of these classes, which are ascending, in their order; and the images.
std::vector<int64_t> indices_of(const ImageDataset& data, const std::vector<int64_t>& classes);
ImageDataset of_classes(const ImageDataset& data, const std::vector<int64_t>& classes);

// The classes of each task of a split.
std::vector<std::vector<int64_t>> classes_of_tasks(const StreamOptions& options, int64_t classes);

// "Trouser + Pullover".
std::string task_name(const std::vector<int64_t>& classes,
                      const std::vector<std::string>& class_names);

// A stream whose tasks all have all classes, with its first task: the data as they are. An argument
// error where the classes of a task are to be known: they would tell nothing.
Stream stream_of_domains(const char* name, const StreamOptions& options, const ImageDataset& train,
                         const ImageDataset& test);
// Adds a task: the first one's images, each through `change`, which writes every pixel of `to`.
// Threads call it at once.
void add_domain(const std::string& name, Stream& stream,
                FunctionRef<void(const uint8_t* from, uint8_t* to)> change);

}  // namespace espalier
